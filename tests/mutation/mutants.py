"""Find what can be taken away from a source file: parents, waits, secret marks, protection."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Our own functions whose last positional arguments are what is waited for: how many come before them.
_WAITING = {"after": 0, "_options_with_timeout": 2, "_cert_manager": 4}


@dataclass(frozen=True)
class Mutant:
    """A file of the program with one thing taken away."""

    file: Path  # below the root
    place: str  # function, and the variable or call in it
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.file.name}, {self.place}: {self.what}"


def mutants(root: Path, file: Path) -> Iterator[Mutant]:
    """Yield mutants, each with the whole text of the file without its comments."""
    tree = ast.parse((root / file).read_text())
    for place, node in _nodes(tree, ()):
        for what in _mutations(node):
            yield Mutant(file, " ".join(place), what, ast.unparse(tree))


def _nodes(node: ast.AST, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ast.AST]]:
    """Yield every node and where it stands: class, function, and what is assigned or called."""
    for child in ast.iter_child_nodes(node):
        inside = place
        match child:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) if name != "__init__":
                inside = (*place, name)
            case ast.Assign(targets=[target]):
                inside = (*place, ast.unparse(target))
            case ast.Expr(value=ast.Call(func=called)) | ast.Return(value=ast.Call(func=called)):
                inside = (*place, ast.unparse(called))
            case _:
                pass
        yield inside, child
        yield from _nodes(child, inside)


def _mutations(node: ast.AST) -> Iterator[str]:
    """Change the node, yield what is gone, and put it back before the next change."""
    match node:
        case ast.keyword(arg="depends_on" | "after", value=ast.List(elts=elements)) if elements:
            yield from _each_dropped(elements, 0, "wait for")
        case ast.keyword(arg="depends_on", value=value):
            with _set(node, "value", ast.List([], ast.Load())):
                yield f"wait for {ast.unparse(value)}"
        case ast.keyword(arg="protect" | "delete_before_replace", value=ast.Constant(value=False)):
            pass
        case ast.keyword(arg="protect" | "delete_before_replace", value=value):
            with _set(node, "value", ast.Constant(value=False)):
                yield f"{node.arg}={ast.unparse(value)}"
        case ast.Call(func=ast.Name(id="ResourceOptions"), keywords=keywords) as call if _has_parent(keywords):
            with _set(call, "keywords", [keyword for keyword in keywords if keyword.arg != "parent"]):
                yield "its parent"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Output"), attr="secret") as mark):
            with _set(mark, "attr", "from_input"):
                yield f"secret mark of {ast.unparse(node.args[0])}"
        case ast.Call(
            func=ast.Attribute(value=before, attr="apply"),
            args=[ast.Lambda(args=ast.arguments(args=[ast.arg(arg="_")]), body=body)],
        ):
            with _set(node, "func", ast.Name("Output.from_input", ast.Load())), _set(node, "args", [body]):
                yield f"{ast.unparse(body)} after {ast.unparse(before)}"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if name in _WAITING:
            yield from _each_dropped(arguments, _WAITING[name], "wait for")
        case _:
            pass
    if isinstance(node, ast.FunctionDef):
        yield from _unprotected(node)


def _has_parent(keywords: list[ast.keyword]) -> bool:
    return any(keyword.arg == "parent" for keyword in keywords)


def _unprotected(scope: ast.AST) -> Iterator[str]:
    """Take protection from one resource at a time where several share named options that protect."""
    shared = {name: plain for node in ast.walk(scope) for name, plain in _protecting(node)}
    for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
        places: list[tuple[Any, Any]] = [(call.args, number) for number in range(len(call.args))]
        places += [(keyword.__dict__, "value") for keyword in call.keywords]
        for where, key in places:
            used = where[key]
            if isinstance(used, ast.Name) and used.id in shared:
                where[key] = shared[used.id]
                yield f"protection of {ast.unparse(call.args[0])}"
                where[key] = used


def _protecting(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the name of options that protect, and the same options without protection."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=keywords) as options):
            plain = [keyword for keyword in keywords if keyword.arg != "protect"]
            if len(plain) < len(keywords):
                yield name, ast.Call(options.func, options.args, plain)
        case _:
            pass


def _each_dropped(elements: list[ast.expr], first: int, what: str) -> Iterator[str]:
    for number in range(first, len(elements)):
        dropped = elements.pop(number)
        yield f"{what} {ast.unparse(dropped)}"
        elements.insert(number, dropped)


@contextmanager
def _set(node: ast.AST, name: str, value: Any) -> Iterator[None]:
    before = getattr(node, name)
    setattr(node, name, value)
    try:
        yield
    finally:
        setattr(node, name, before)
