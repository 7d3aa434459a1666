"""Do one step of the chain each: build hooks, call core, log, translate errors."""
