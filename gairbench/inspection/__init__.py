"""What an encoder really gets and gives, to check a wrapper: declared, fed and embedded; nothing is kept."""
