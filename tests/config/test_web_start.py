"""The start of a web process: the modules that it imports, and the objects that later collections search."""

import gc
import subprocess
import sys

import pytest
from gunicorn.workers.gthread import ThreadWorker

from config.web.web_worker import WebWorker
from tests.database import PROJECT, database_environment

_SLOW_LIBRARIES = {"dns", "fpdf", "fontTools"}
_PRINT_MODULES = "import sys, config.wsgi, config.urls; print(*sys.modules)"


def test_no_page_of_rare_use_slows_the_start() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_MODULES],
        env={**database_environment(), "DJANGO_SETTINGS_MODULE": "tests.settings", "DEBUG": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stdout.split())
    assert "orders.use_cases.documents.render_document" in imported
    assert not _SLOW_LIBRARIES & imported


def test_collections_do_not_search_what_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loading: list[bool] = []
    monkeypatch.setattr(ThreadWorker, "load_wsgi", lambda _: loading.append(gc.isenabled()))
    try:
        WebWorker.load_wsgi(object.__new__(WebWorker))
        assert loading == [False]
        assert gc.isenabled()
        assert len(gc.get_objects()) < 1000 < gc.get_freeze_count()
    finally:
        gc.unfreeze()
