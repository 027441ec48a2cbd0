"""What people do on the photo, in pixels of the photo, and what comes of it."""

from playwright.sync_api import Page, expect

from tests.serve.browser import button, canvas, photo_box

Point = tuple[float, float]


def scale_of(page: Page) -> float:
    """Pixels of the page for one of the photo."""
    return float(canvas(page).get_attribute("data-scale"))


def on_page(page: Page, x: float, y: float) -> Point:
    """Where a point of the photo is on the page."""
    box, scale = photo_box(page), scale_of(page)
    return box["x"] + x * scale, box["y"] + y * scale


def drag(page: Page, *points: Point, button: str = "left") -> None:
    """Lead the pointer over points of the photo with a button down."""
    places = [on_page(page, x, y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down(button=button)
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up(button=button)


def choose_tool(page: Page, name: str) -> None:
    button(page, name).click()
    expect(button(page, name)).to_have_attribute("aria-pressed", "true")


def expect_work(page: Page, steps: int | None = None, fills: int | None = None) -> None:
    """So many strokes that are not filled, and so many fills."""
    for name, count in (("data-steps", steps), ("data-fills", fills)):
        if count is not None:
            expect(page.get_by_role("main")).to_have_attribute(name, str(count))
    expect(page.get_by_role("main")).to_have_attribute("data-state", "ready")


def shown(page: Page, layer: int) -> str:
    """One layer of what is drawn, as a file: 0 the photo with its fills, 1 the mask, 2 brush and lines."""
    return page.evaluate(
        """(layer) => new Promise((resolve) => {
            const canvas = document.querySelectorAll("[role=application] canvas")[layer];
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(canvas.toDataURL())));
        })""",
        layer,
    )
