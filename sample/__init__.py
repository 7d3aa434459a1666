"""The sample shop: its history (`load`) and the application that keeps writing to it (`traffic`)."""
