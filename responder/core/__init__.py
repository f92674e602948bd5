"""The pure floor: nothing in here reads a clock, a socket, a disk, the environment or chance."""
