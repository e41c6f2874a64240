"""The live page in a real browser: it renders, updates, drills down, survives, and obeys.

With ``TWIN_PICTURES=docs/img`` in the environment the pictures of the documentation are
written there; otherwise they are taken all the same, into the test's own folder.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.page.conftest import Tab, Twin

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("page")]

LIVE = "document.getElementById('state').dataset.state === 'live'"
STALE = "document.getElementById('state').dataset.state === 'stale'"
ANSWERED = """(() => {
  const output = document.querySelector('#inject output');
  if (!output.textContent.includes('answered within')) return output.textContent;
  // A busy emulator did not answer in time: ask again.
  output.textContent = '';
  document.querySelector('#inject form').requestSubmit();
  return '';
})()"""
"""What the form was answered, which is asked again for as long as nobody answers."""
PATIENCE = 120.0
OPENED = "document.querySelectorAll('#rack .matrix').length === 2"


@pytest.fixture
def page(tab: Tab, demo: Twin) -> Iterator[Tab]:
    """The page of the demo; at the end nobody complained and nobody else was asked."""
    tab.go(demo.url)
    yield tab
    assert tab.complaints == []
    assert {url for url in tab.requests if not url.startswith(f"{demo.url}/")} == set()


def cell(tab: Tab, rack: int) -> tuple[float, float]:
    """Return the middle of a rack's cell, in the window."""
    x, y = tab.value(
        f"""(() => {{
          const {{x, y, size}} = page.floor.plan.cells[{rack}];
          const box = document.getElementById('cells').getBoundingClientRect();
          return [box.x + x + size / 2, box.y + y + size / 2];
        }})()"""
    )
    return x, y


def test_renders(page: Tab) -> None:
    """The floor has a painted cell a rack, the figures are there, and four charts have lines."""
    assert page.text("h1") == "demo"
    page.until(LIVE)
    assert page.value("page.floor.values.length") == 16
    page.until("page.floor.values.every((value) => value > 20)")
    painted = """(() => {
      const {width, height} = document.getElementById('cells');
      const brush = document.getElementById('cells').getContext('2d');
      const {data} = brush.getImageData(0, 0, width, height);
      const colours = page.floor.plan.cells.map(({x, y}) =>
        data.slice(4 * ((y + 4) * width + x + 4)).slice(0, 4).join());
      return colours.every((colour) => colour.endsWith(',255')) && new Set(colours).size;
    })()"""
    assert page.until(painted) >= 1
    figures = page.text("#figures")
    for words in ("IT power", "Racks reporting16", "GPUs reporting1,024", "Megapacks"):
        assert words in figures
    page.until("page.charts.charts.every((chart) => chart.points[0].length > 0)")
    assert page.value("page.charts.charts.length") == 4
    page.until("document.getElementById('events').textContent.includes('All 16 racks report.')")


def test_updates(page: Tab) -> None:
    """Once a second a new row and a new time come in, without anything being asked for."""
    page.until(LIVE)
    time = page.text("#time")
    rows = page.value("page.charts.charts[0].points[0].length")
    asked = len(page.requests)
    page.until(f"page.charts.charts[0].points[0].length >= {rows} + 3")
    assert page.text("#time") != time
    assert len(page.requests) == asked


@pytest.mark.parametrize("signal", ["temperature", "power", "flow", "network", "trouble"])
def test_colours(page: Tab, signal: str) -> None:
    """Each signal colours all racks and has its own legend; the address remembers it."""
    page.value(f"document.querySelector('#signals input[value={signal}]').click()")
    page.until(f"page.update.floor.signal === '{signal}'")
    page.until("page.floor.values.length === 16 && page.floor.values.every(Number.isFinite)")
    assert page.value("location.hash") == f"#signal={signal}"
    legend = {"temperature": "°C", "power": "kW", "flow": "L/min", "network": "Gb/s",
              "trouble": "serious"}  # fmt: skip
    assert legend[signal] in page.text("#legend")


def test_a_colour_means_the_same_in_both_themes(page: Tab) -> None:
    """Little is dark and much is bright, whatever theme the reader prefers."""
    asked = """import('/page/colour.js').then(({ramp}) => [0, 1].map((share) =>
      ramp(share).fill.match(/\\d+/g).map(Number).reduce((sum, part) => sum + part)))"""
    seen = []
    for scheme in ("light", "dark"):
        page.dress(1600, 1000, scheme)
        seen.append(page.value(asked))
    assert seen[0] == seen[1]
    assert seen[0][0] < seen[0][1]


def test_says_that_no_alerts_are_known(page: Tab) -> None:
    """Where no Prometheus and no Alertmanager is known the page says so, and what to do."""
    page.until(LIVE)
    said = page.text("#alerts-said")
    assert "no Prometheus or Alertmanager is known" in said
    assert "--prometheus" in said


def test_hover(page: Tab) -> None:
    """The rack under the pointer tells all its figures."""
    page.until(LIVE)
    page.point(*cell(page, 4))
    tip = "document.getElementById('tip').textContent"
    page.until(f"{tip}.includes('Flow')")
    text = page.text("#tip")
    for words in ("r0005", "a001, hall h1", "Temperature", "Power", "L/min", "Trouble"):
        assert words in text
    page.point(5, 5)
    page.until("document.getElementById('tip').hidden")


def test_drills_down(page: Tab) -> None:
    """A click opens the rack with its 64 GPUs, 72 NIC ports and two pumps, and they move."""
    page.until(LIVE)
    page.click(*cell(page, 2))
    page.until(OPENED)
    assert page.text("#rack-title") == "Rack r0003"
    matrices = "[...document.querySelectorAll('#rack .matrix')]"
    cells = f"{matrices}.map((matrix) => matrix.querySelectorAll(':not(.name)').length)"
    assert page.value(cells) == [64, 72]
    tables = "[...document.querySelectorAll('#rack table')]"
    pumps = f"{tables}.find((table) => table.textContent.includes('running'))"
    assert page.value(f"{pumps}.rows.length") == 3
    before = page.value("page.update.rack.time")
    page.until(f"page.update.rack.time > {before} + 1")
    page.until(f"!{matrices}[1].textContent.includes('…')")
    page.value(
        """(() => {
          const select = document.querySelector('#rack select');
          select.value = 'power';
          select.onchange({target: select});
        })()"""
    )
    watts = f"[...{matrices}[0].querySelectorAll(':not(.name)')].map((cell) => +cell.textContent)"
    page.until(f"{watts}.every((value) => value > 60)")


def test_keyboard(page: Tab) -> None:
    """Arrows move over the racks and say which, Enter opens one, Escape closes it again."""
    page.until(LIVE)
    page.value("document.getElementById('cells').focus()")
    said = "document.getElementById('said').textContent"
    for key, rack in (("Home", "r0001"), ("ArrowRight", "r0002"), ("ArrowRight", "r0003"),
                      ("ArrowLeft", "r0002"), ("End", "r0016")):  # fmt: skip
        page.press(key)
        assert page.value(said).startswith(f"Rack {rack}: Temperature "), key
    down = page.value("page.floor.plan.cells[15].y > page.floor.plan.cells[11].y")
    page.press("ArrowUp")
    assert down
    assert page.value(said).startswith("Rack r0012")
    page.press("Enter")
    page.until(OPENED)
    assert page.text("#rack-title") == "Rack r0012"
    assert page.value("document.activeElement.id") == "rack"
    page.press("Escape")
    page.until("document.getElementById('rack').hidden")
    assert page.value("document.activeElement.id") == "cells"


def test_an_address_opens_a_rack(page: Tab, demo: Twin) -> None:
    """An address with a signal and a rack shows them at once, so that it can be passed on."""
    page.go(f"{demo.url}/#signal=flow&rack=r0007")
    page.until(OPENED)
    assert page.text("#rack-title") == "Rack r0007"
    assert page.value("page.floor.signal.key") == "flow"


def test_the_token_of_the_address(tab: Tab, demo: Twin) -> None:
    """The address that is printed at the start brings the token, and does not keep it in sight."""
    tab.go(f"{demo.url}/#token={demo.token}")
    tab.until(LIVE)
    assert "token" not in tab.value("location.href")
    tab.value("document.getElementById('strike').click()")
    assert tab.value("document.querySelector('#inject form').token.value") == demo.token


def test_a_command_without_the_token(page: Tab) -> None:
    """Who has not entered the token is told so, and nothing strikes."""
    page.until(LIVE)
    answer = page.value(
        "import(`${location.origin}/page/inject.js`).then(({send}) =>"
        " send('inject', {fault: 'pump-failure', target: 'r0001/pump1'}))"
    )
    assert not answer["accepted"]
    assert "needs the token" in answer["detail"]
    # The browser itself notes that an answer was no success.
    page.complaints[:] = [text for text in page.complaints if "/api/" not in text]


def test_a_fault_from_the_page(page: Tab, demo: Twin) -> None:
    """A fault injected by the form strikes, is told and marked, and is cleared from its chip."""
    page.until(LIVE)
    page.value("document.getElementById('strike').click()")
    page.value(
        """(() => {
          const form = document.querySelector('#inject form');
          form.fault.value = 'pump-failure';
          form.fault.onchange();
          form.target.value = 'r0009/pump1';
          form.seconds.value = '600';
          form.token.value = 'TOKEN';
          form.requestSubmit();
        })()""".replace("TOKEN", demo.token)
    )
    assert "is applied to r0009/pump1" in page.until(ANSWERED, PATIENCE)
    page.value("document.getElementById('inject').close()")
    page.until("document.getElementById('events').textContent.includes('pump-failure is applied')")
    page.until("page.floor.struck.has(8)")
    page.value("document.querySelector('#signals input[value=trouble]').click()")
    page.until("page.floor.signal.key === 'trouble' && page.floor.values[8] === 1")
    assert page.value("page.floor.values.filter((value) => value > 0).length") == 1
    page.value("document.querySelector('#active button').click()")
    page.until("document.getElementById('events').textContent.includes('is over')")
    page.until("page.floor.values[8] === 0")
    # The browser itself notes that a busy emulator did not answer in time.
    page.complaints[:] = [text for text in page.complaints if "/api/" not in text]


def test_a_wrong_target_is_told(page: Tab, demo: Twin) -> None:
    """What the emulator refuses is shown in its words, and nothing strikes."""
    page.until(LIVE)
    answer = page.value(
        "import(`${location.origin}/page/inject.js`).then(({send}) =>"
        " send('clear', {target: 'r0001', fault: 'pump-failure'}))"
    )
    assert answer["accepted"] in {True, False}
    page.value("document.getElementById('strike').click()")
    page.value(
        """(() => {
          const form = document.querySelector('#inject form');
          form.target.value = 'r9999';
          form.token.value = 'TOKEN';
          form.requestSubmit();
        })()""".replace("TOKEN", demo.token)
    )
    page.until("document.querySelector('#inject output').classList.contains('bad')")
    assert "r9999" in page.text("#inject output")
    # The browser itself notes that an answer was no success.
    page.complaints[:] = [text for text in page.complaints if "/api/" not in text]


def test_off_by_default(tab: Tab, twin: Callable[..., Twin]) -> None:
    """Without --allow-inject the page offers nothing to inject, and the address refuses."""
    plain = twin("up", "--port", "0", "--mqtt-port", "0")
    tab.go(plain.url)
    tab.until(LIVE)
    assert tab.value("document.getElementById('strike').hidden")
    answer = httpx.post(
        f"{plain.url}/api/inject",
        json={"fault": "pump-failure", "target": "r0001/pump1"},
        headers={"X-Twin-Command": "test"},
        timeout=60,
    )
    assert answer.status_code == 403
    assert "--allow-inject" in answer.json()["detail"]
    assert tab.complaints == []


def test_survives_a_restart(
    tab: Tab, twin: Callable[..., Twin], mosquitto: Any, unused_port: int, tmp_path: Path
) -> None:
    """While the aggregator is away the page says since when; when it is back, it goes on."""
    broker = str(mosquitto.url)
    aggregator = twin("aggregate", "--broker", broker, "--port", str(unused_port))
    emulator = tmp_path / "emulator.log"
    running = type(aggregator)(emulator, "emulate", "--broker", broker, ready=False)
    try:
        tab.go(aggregator.url)
        tab.until(LIVE)
        tab.until("page.update.summary.racks_reporting === 16")
        tab.click(*cell(tab, 2))
        tab.until(OPENED)
        aggregator.stop()
        tab.until(STALE)
        assert tab.text("#stale").startswith("stale since ")
        assert not tab.value("document.getElementById('stale').hidden")
        boot = tab.value("page.site.boot")
        aggregator.start()
        tab.until(f"page.site.boot !== '{boot}' && {LIVE}")
        tab.until("page.update.summary.racks_reporting === 16")
        tab.until(OPENED)
        assert tab.text("#rack-title") == "Rack r0003"
        assert tab.value("document.getElementById('stale').hidden")
    finally:
        running.stop()


def test_a_lost_emulator_is_told(tab: Tab, twin: Callable[..., Twin], mosquitto: Any) -> None:
    """Without an emulator the page says that no rack reports; the stream itself is well."""
    aggregator = twin("aggregate", "--broker", str(mosquitto.url), "--port", "0")
    tab.go(aggregator.url)
    tab.until("document.getElementById('state').textContent === 'no rack is reporting'")
    assert tab.value("document.getElementById('state').dataset.state") == "warning"
    tab.until("page.floor.values.every((value) => value === null)")
    assert tab.complaints == []


@pytest.mark.parametrize(
    ("racks", "per_array", "halls", "width", "height"),
    [(16, 8, 1, 1220, 540), (1563, 8, 4, 1220, 540), (15_625, 8, 40, 1220, 540),
     (15_616, 64, 4, 1220, 540), (191, 32, 1, 1220, 540), (1563, 8, 4, 340, 420),
     (15_625, 8, 40, 340, 420), (1, 8, 1, 340, 420)],
)  # fmt: skip
def test_floor_plans(
    page: Tab, racks: int, per_array: int, halls: int, width: int, height: int
) -> None:
    """Every rack of every site has a cell of its own inside the map, fast enough for a second."""
    arrays = -(-racks // per_array)
    site = {
        "racks": [f"r{rack}" for rack in range(racks)],
        "racks_per_array": per_array,
        "arrays": [f"a{array}" for array in range(arrays)],
        "halls": [f"h{array * halls // arrays}" for array in range(arrays)],
    }
    found = page.value(
        f"""import(`${{location.origin}}/page/geometry.js`).then(({{plan, rackAt}}) => {{
          const site = {json.dumps(site)};
          const start = performance.now();
          const floor = plan(site, {width}, {height});
          const taken = performance.now() - start;
          const right = Math.max(...floor.cells.map((cell) => cell.x + cell.size));
          const places = new Set(floor.cells.map(({{x, y}}) => `${{x}},${{y}}`));
          const last = floor.cells[{racks} - 1];
          return {{taken, right, size: floor.size, cells: floor.cells.length, places: places.size,
            bottom: floor.height, hit: rackAt(floor, last.x + 1, last.y + 1)}};
        }})"""
    )
    assert found["cells"] == found["places"] == racks
    assert found["hit"] == racks - 1
    assert found["right"] <= width
    assert found["size"] >= 3
    assert found["bottom"] <= height or found["size"] == 3
    assert found["taken"] < 1000


def size_of(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG file."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


def test_pictures(
    tab: Tab, twin: Callable[..., Twin], tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """With a rack in flames the page is whole in light and dark, with that rack, on a phone."""
    folder = os.environ.get("TWIN_PICTURES")
    seconds, patience = (240, 900.0) if folder else (20, PATIENCE)
    running = twin("up", "--speed", "3", "--port", "0", "--mqtt-port", "0", "--allow-inject")
    tab.go(running.url)
    rows = "page.charts.charts[0].points[0]"
    tab.until(f"{rows}.length > 1 && {rows}.at(-1).x - {rows}[0].x > {seconds}", patience)
    fault = {"fault": "both-pumps-failure", "target": "r0003", "duration": 100_000}
    headers = {"X-Twin-Command": "test", "Authorization": f"Bearer {running.token}"}

    def struck() -> bool:
        answer = httpx.post(f"{running.url}/api/inject", json=fault, headers=headers, timeout=60)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return False  # a busy emulator did not answer in time, and may have struck all the same
        assert answer.json()["accepted"] or "already applied to" in answer.text, answer.text
        return True

    eventually(struck, patience)
    tab.until("page.floor.values[2] >= 80", patience)
    for scheme, address, name in (
        ("dark", "#signal=temperature", "page.png"),
        ("light", "#signal=trouble&rack=r0003", "page-rack.png"),
    ):
        picture = Path(folder or tmp_path) / name
        tab.dress(1920, 1080, scheme)
        tab.go(f"{running.url}/{address}")
        tab.until(LIVE)
        if "rack" in address:
            tab.until(f"{OPENED} && page.panel.rates.nic")
        assert tab.value("document.documentElement.scrollWidth <= innerWidth"), name
        assert tab.value("document.documentElement.scrollHeight <= innerHeight"), name
        tab.picture(picture)
        assert size_of(picture) == (1920, 1080)
    tab.dress(390, 844, "light", phone=True)
    tab.go(f"{running.url}/#signal=temperature")
    tab.until(LIVE)
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")
    tab.picture(tmp_path / "phone.png")
    assert tab.complaints == []
