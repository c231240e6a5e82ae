"""How confds are asked: datagrams and their signatures, and a client."""
