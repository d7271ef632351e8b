"""The commands, one module each: what they do, apart from parsing their options."""
