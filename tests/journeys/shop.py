"""A small project that several stories start from: three layers, SQL and Python, a helper in a module of its own."""

from __future__ import annotations

from project_folder import ProjectFolder

PIPELINE = """
    name: shop
    params: {minimum: 2}
    steps:
      - name: orders
        layer: bronze
        read: {format: csv, path: data/orders.csv}
      - name: customers
        layer: bronze
        read: {format: csv, path: data/customers.csv}
      - name: big_orders
        layer: silver
        inputs: [orders]
        python: transforms:big_orders
        params: {minimum: "{{ params.minimum }}"}
      - name: named_orders
        layer: silver
        inputs: {orders: big_orders, customers: customers}
        sql: select orders.*, customers.name from orders join customers using (customer) order by orders.id
      - name: totals
        layer: gold
        inputs: [named_orders]
        sql: select name, cast(sum(amount) as bigint) as amount from named_orders group by name order by name
      - name: summary
        layer: gold
        inputs: [totals]
        python: transforms:summary
    """

TRANSFORMS = """
    import pathlib

    import rules

    UNUSED = 1


    def big_orders(orders, *, minimum):
        if pathlib.Path("broken").exists():
            raise ValueError("the silver step is broken")
        return orders[rules.is_big(orders["amount"], minimum)]


    def summary(totals):
        return totals.assign(amount=totals["amount"] + OFFSET)


    OFFSET = 0
    """

RULES = """
    def is_big(amount, minimum):
        return amount >= floor(minimum)


    def floor(minimum):
        return minimum


    def unrelated():
        return 1
    """

ORDERS = "id,customer,amount\n1,1,1\n2,2,2\n3,1,3\n4,2,4\n"
CUSTOMERS = "customer,name\n1,ann\n2,bob\n"
STEPS = ("orders", "customers", "big_orders", "named_orders", "totals", "summary")


def make_shop(project: ProjectFolder) -> ProjectFolder:
    """Write the project's files."""
    project.write("pipe.yaml", PIPELINE)
    project.write("transforms.py", TRANSFORMS)
    project.write("rules.py", RULES)
    project.write("data/orders.csv", ORDERS)
    project.write("data/customers.csv", CUSTOMERS)
    return project


def computed(outcomes: dict[str, str]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome == "computed"}
