"""Folders of records as a whole: whether every record is sound, and how several folders become one."""
