"""`./lake conformance`: hostile values of every MySQL type, and what each reader makes of them."""
