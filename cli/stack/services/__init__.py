"""The services of the stack, one file each; `registry` lists them."""
