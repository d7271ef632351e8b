"""New packages for plugins, from the template beside this file: ``gairbench new-plugin``, or ``copier copy``."""
