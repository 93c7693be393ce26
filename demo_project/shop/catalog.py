"""What is for sale."""

from typing import Final, NamedTuple


class Product(NamedTuple):
    """A product.

    Attributes:
        sku: Its identifier, and the name of its picture in icons.svg.
        name: For people.
        about: One line.
        cents: The price (euro cents).
    """

    sku: str
    name: str
    about: str
    cents: int

    @property
    def price(self) -> str:
        """The price for people."""
        return money(self.cents)


def money(cents: int) -> str:
    """Return an amount for people."""
    return f"€{cents / 100:,.2f}"


PRODUCTS: Final = {
    product.sku: product
    for product in (
        Product("mug", "Clay mug", "Holds 300 ml and a warm thought", 1450),
        Product("candle", "Beeswax candle", "Forty hours of quiet light", 990),
        Product("notebook", "Notebook", "160 dotted pages, lies flat", 1200),
        Product("plant", "Little fern", "Forgives a missed watering", 1875),
        Product("lamp", "Desk lamp", "Warm to cool at a turn", 5400),
        Product("kettle", "Kettle", "Whistles in two notes", 3900),
    )
}
