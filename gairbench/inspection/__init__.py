"""What an encoder really gets and gives, for whoever must trust a wrapper: declared, fed, embedded; nothing is kept."""
