"""What an editor shows of a stack file: asked of the language server that editors run for YAML."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from tests.node_packages import installed
from tests.unit.harness import ROOT

PACKAGES = Path(__file__).parent / "editor"
NODE = Path(sys.executable).with_name("node")
CURSOR = "¦"  # marks in a text where somebody types
LIMIT = 60.0  # seconds for an answer


@dataclass(frozen=True)
class Complaint:
    """An underlined place and what is said of it."""

    text: str
    message: str


class Editor:
    """Has the project open: the schema of a stack file is found by its first line, as users' editors find it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._client = LanguageClient("tests", "1")
        self._published: dict[str, asyncio.Future[list[lsp.Diagnostic]]] = {}
        self._numbers = itertools.count()

        @self._client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def publish(diagnostics: lsp.PublishDiagnosticsParams) -> None:
            self._published[diagnostics.uri].set_result(list(diagnostics.diagnostics))

        @self._client.feature(lsp.WORKSPACE_CONFIGURATION)
        def configuration(asked: lsp.ConfigurationParams) -> list[None]:
            return [None for _ in asked.items]  # as the editor comes

    def __enter__(self) -> Editor:
        self._runner.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    def complaints(self, texts: Iterable[str]) -> list[list[Complaint]]:
        """What is underlined in each of the files, opened at once."""
        return self._runner.run(self._complaints(list(texts)))

    def offered(self, text: str) -> dict[str, str]:
        """What may be written at the cursor: each label, and what stands in the file when it is taken."""
        return self._runner.run(self._offered(text))

    def explained(self, text: str) -> str:
        """What is told of the word under the cursor."""
        return self._runner.run(self._explained(text))

    async def _start(self) -> None:
        server = installed(PACKAGES) / "yaml-language-server" / "bin" / "yaml-language-server"
        await self._client.start_io(str(NODE), str(server), "--stdio")
        folder = lsp.WorkspaceFolder(uri=ROOT.as_uri(), name=ROOT.name)
        hello = lsp.InitializeParams(lsp.ClientCapabilities(), workspace_folders=[folder])
        await asyncio.wait_for(self._client.initialize_async(hello), LIMIT)
        self._client.initialized(lsp.InitializedParams())

    async def _stop(self) -> None:
        await asyncio.wait_for(self._client.shutdown_async(None), LIMIT)
        self._client.exit(None)
        await asyncio.wait_for(self._client.stop(), LIMIT)

    async def _complaints(self, texts: list[str]) -> list[list[Complaint]]:
        uris = [self._open(text) for text in texts]
        published = await asyncio.wait_for(asyncio.gather(*(self._published[uri] for uri in uris)), LIMIT)
        return [
            [Complaint(_within(text, diagnostic.range), diagnostic.message) for diagnostic in diagnostics]
            for text, diagnostics in zip(texts, published, strict=True)
        ]

    async def _offered(self, text: str) -> dict[str, str]:
        place = lsp.CompletionParams(*self._open_at_cursor(text))
        answer = await asyncio.wait_for(self._client.text_document_completion_async(place), LIMIT)
        items = answer.items if isinstance(answer, lsp.CompletionList) else answer or []
        return {item.label: item.insert_text or item.label for item in items}

    async def _explained(self, text: str) -> str:
        place = lsp.HoverParams(*self._open_at_cursor(text))
        answer = await asyncio.wait_for(self._client.text_document_hover_async(place), LIMIT)
        assert answer is not None
        assert isinstance(answer.contents, lsp.MarkupContent)
        return answer.contents.value

    def _open_at_cursor(self, text: str) -> tuple[lsp.TextDocumentIdentifier, lsp.Position]:
        before, _, after = text.partition(CURSOR)
        lines = before.split("\n")
        return lsp.TextDocumentIdentifier(self._open(before + after)), lsp.Position(len(lines) - 1, len(lines[-1]))

    def _open(self, text: str) -> str:
        uri = (ROOT / f"Pulumi.edited-{next(self._numbers)}.yaml").as_uri()
        self._published[uri] = asyncio.get_running_loop().create_future()
        document = lsp.TextDocumentItem(uri, "yaml", 1, text)
        self._client.text_document_did_open(lsp.DidOpenTextDocumentParams(document))
        return uri


def _within(text: str, place: lsp.Range) -> str:
    lines = text.split("\n")[place.start.line : place.end.line + 1]
    lines[-1] = lines[-1][: place.end.character]
    lines[0] = lines[0][place.start.character :]
    return "\n".join(lines)
