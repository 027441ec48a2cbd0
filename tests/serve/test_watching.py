"""Watching trainings on the page, in a real browser. Pictures of it are left in tests/artifacts, to be looked at."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from onar.training.results_folder import Results
from tests.serve.test_trainings import a_run, a_sheet, log_more
from tests.support.browser import DESKTOP, PATIENCE, keep_picture
from tests.support.server import Server, needs_page, running_server

pytestmark = [pytest.mark.process, needs_page]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainings") / "runs"


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[Server]:
    """Shared; the last test stops it."""
    with running_server("--weights", "pyramid", "--results_dir", runs) as server:
        yield server


@pytest.fixture
def root(runs: Path) -> Iterator[Path]:
    """The server's folder of trainings, empty at first."""
    yield runs
    shutil.rmtree(runs)


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with browser.new_context(locale="en-US", viewport=DESKTOP) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url)
        page.get_by_role("button", name="Watch a training").click()
        yield page
        assert errors == []


def log_a_step(folder: Path, step: int) -> None:
    last = json.loads(Results(folder).log.read_text().splitlines()[-1])
    log_more(folder, {**last, "kind": "step", "step": step, "epochs_done": step / 10, "epoch": step // 10 + 1})


def end(folder: Path) -> None:
    Results(folder).generator.touch()


def test_a_training_is_followed_and_its_newest_sheet_until_another_is_chosen(page: Page, root: Path) -> None:
    expect(page.get_by_role("heading", name="No training to watch")).to_be_visible()
    folder = a_run(root / "first", steps=12)
    for epoch in (1, 2):
        a_sheet(folder, epoch)
    expect(page.get_by_role("checkbox", name="runs/first")).to_be_checked()
    expect(page.get_by_text("Epoch 2 of 10, step 12")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^D_loss.*first: from 0.7 to 0.7 at epoch 1.2"))).to_be_visible()
    samples = page.get_by_role("img", name=re.compile("^Samples of runs.first after epoch"))
    expect(samples).to_have_accessible_name(re.compile("after epoch 2:"))
    a_sheet(folder, 3)
    log_a_step(folder, 31)
    expect(page.get_by_text("step 31")).to_be_visible()
    expect(samples).to_have_accessible_name(re.compile("after epoch 3:"))
    page.get_by_role("slider", name="Epoch").press("Home")
    expect(samples).to_have_accessible_name(re.compile("after epoch 1:"))
    a_sheet(folder, 4)
    log_a_step(folder, 41)
    expect(page.get_by_text("step 41")).to_be_visible()
    expect(samples).to_have_accessible_name(re.compile("after epoch 1:"))
    assert samples.evaluate("image => image.complete && image.naturalWidth") == 8


def test_the_page_polls_until_all_trainings_have_ended_and_on_demand(page: Page, root: Path) -> None:
    folder = a_run(root / "first")
    page.clock.install()
    page.reload()
    page.get_by_role("button", name="Watch a training").click()
    expect(page.get_by_role("checkbox", name="runs/first")).to_be_checked()
    with page.expect_request("**/api/trainings"):
        page.clock.run_for(10_000)
    end(folder)
    again = page.get_by_role("button", name="Refresh")
    expect(again).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # What was asked about the training itself may still be on its way, and is waited for for 30 seconds.
    page.clock.run_for(15_000)
    assert [address for address in asked if address.endswith("/api/trainings")] == []
    a_run(root / "second", steps=3)
    again.click()
    expect(page.get_by_role("checkbox", name="runs/second")).to_be_visible()


def test_several_trainings_share_a_chart_and_lie_side_by_side(page: Page, root: Path) -> None:
    for name, steps in (("first", 40), ("second", 25)):
        a_sheet(a_run(root / name, steps=steps), 2)
    for name in ("first", "second"):  # after both are there: the page stops polling when all have ended
        end(root / name)
    boxes = [page.get_by_role("checkbox", name=name) for name in ("runs/first", "runs/second")]
    for box in boxes:
        expect(box).to_be_visible()  # the page chooses by itself when another one appears
    for box in boxes:
        box.check()
    chart = page.get_by_role("figure", name=re.compile("^D_loss"))
    expect(chart.get_by_role("listitem")).to_have_text([re.compile("runs/.*0.7")] * 2)
    expect(page.get_by_role("img", name=re.compile("^Samples of runs"))).to_have_count(2)
    chart.get_by_text("D_loss as a table").click()
    expect(chart.get_by_role("columnheader")).to_have_count(3)
    expect(chart.get_by_role("row").last).to_contain_text("4")
    keep_picture(page, "watch_en_light")
    page.get_by_role("checkbox", name="runs/first").uncheck()
    expect(chart.get_by_role("listitem")).to_have_text([re.compile("runs/second")])


def test_unreadable_trainings_and_a_lost_server_are_reported(page: Page, root: Path, server: Server) -> None:
    Results(a_run(root / "broken")).config.write_text('epochs = "many"\n')
    message = page.get_by_text("Cannot be read: config.toml is not the configuration of a training.")
    expect(message).to_be_visible()
    expect(page.get_by_role("checkbox", name="runs/broken")).not_to_be_checked()
    a_run(root / "whole")
    expect(page.get_by_role("checkbox", name="runs/whole")).to_be_checked()
    expect(message).to_be_visible()
    server.process.terminate()
    server.process.wait()
    expect(page.get_by_role("alert")).to_have_text("The server does not answer. Retrying…")
