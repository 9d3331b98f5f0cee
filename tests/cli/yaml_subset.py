"""A strict reader of the YAML that --print-config writes: comments, block mappings and lists indented
by two, strings in double quotes, whole numbers. Anything else is an error."""
import re

QUOTED = r'"(?:[^"\\\x00-\x1f]|\\["\\]|\\u[0-9A-F]{4}|\\U[0-9A-F]{8})*"'
LINE = re.compile(rf'( *)(- )?(?:({QUOTED}|[A-Za-z][A-Za-z-]*):(?: |$))?({QUOTED}|[0-9]+)?')


def unquote(text):
    def one(match):
        escape = match.group(1)
        return escape if len(escape) == 1 else chr(int(escape[1:], 16))
    return re.sub(r'\\(["\\]|u[0-9A-F]{4}|U[0-9A-F]{8})', one, text[1:-1])


def scalar(text):
    return unquote(text) if text.startswith('"') else int(text)


def lines_of(text):
    for line in text.splitlines():
        if line.lstrip(" ").startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match or not (match[3] or match[4]):
            raise ValueError(f"not of the subset: {line!r}")
        indent, dash, key, value = match.groups()
        if dash:
            yield len(indent), "-", None
            indent += "  "
        if key:
            key = unquote(key) if key.startswith('"') else key
        yield len(indent), key, value


def block(lines, depth):
    """The value of the lines from here on that stand at this depth."""
    if lines[0][1] is None:
        return scalar(lines.pop(0)[2])
    out = [] if lines[0][1] == "-" else {}
    while lines and lines[0][0] == depth:
        _, key, value = lines.pop(0)
        if (key == "-") != isinstance(out, list):
            raise ValueError(f"a list and a mapping at one place: {key}")
        if value is None:
            if not lines or lines[0][0] <= depth:
                raise ValueError(f"nothing below {key}")
            value = block(lines, lines[0][0])
        else:
            value = scalar(value)
        if isinstance(out, list):
            out.append(value)
        elif key in out:
            raise ValueError(f"twice: {key}")
        else:
            out[key] = value
    return out


def load_all(text):
    documents = []
    for part in re.split(r"^---\n", text, flags=re.M):
        lines = list(lines_of(part))
        documents.append(block(lines, 0))
        if lines:
            raise ValueError(f"wrong indentation: {lines[0]}")
    return documents
