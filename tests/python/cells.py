"""What all readers of tables share: names in statements, and values on their way between two Pythons."""

import base64


def quoted(*names):
    """A name, or names with points between, as SQL has them in double quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def plain(value):
    """A cell as JSON that loses nothing of it, once one knows its column's type."""
    if value is None or isinstance(value, (bool, str)):
        return value
    return base64.b64encode(value).decode() if isinstance(value, (bytes, bytearray)) else str(value)
