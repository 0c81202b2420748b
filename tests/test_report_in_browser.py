"""A browser shows the report without complaint, at the width of a phone, and sorts its tables."""

import html
import json
import re
import shutil
import subprocess

import pytest
from studies.made import memory, trainability, write_study

from keras_rnncap.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PROBE = """<!doctype html><iframe id="f" width="390" height="800" srcdoc="{page}"></iframe>
<pre id="found"></pre><script>
const frame = document.getElementById("f");
frame.onload = () => {{
  const page = frame.contentDocument, table = page.querySelector("table.sortable");
  const column = () => [...table.tBodies[0].rows].map((row) => parseFloat(row.cells[1].dataset.value));
  const head = table.tHead.rows[0].cells[1], before = column();
  head.querySelector("button").click();
  const up = column(), sort = head.getAttribute("aria-sort");
  head.querySelector("button").click();
  const loaded = [...page.images].every((image) => image.complete && image.naturalWidth > 0);
  document.getElementById("found").textContent = JSON.stringify(
    {{width: page.documentElement.scrollWidth, before, up, down: column(), sort, loaded}});
}};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_shows_the_page(tmp_path):
    studies = [
        write_study(tmp_path / "m", "memory", *memory()),
        write_study(tmp_path / "t", "trainability", *trainability()),
    ]
    page = write_report(studies, tmp_path / "out")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(page=html.escape(page.read_text())))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", str(probe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)[1]))
    assert found["width"] <= 390
    assert found["loaded"]
    assert found["up"] == sorted(found["before"])
    assert found["down"] == sorted(found["before"], reverse=True)
    assert found["sort"] == "ascending"
