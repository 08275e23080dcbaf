"""Scripts that run in the environments of the clients. They import nothing from this repository and print JSON."""
