"""A pipeline declared in Python, exported and run from its YAML, is the same pipeline."""

from __future__ import annotations

from project_folder import ProjectFolder

DECLARED = '''
    import pandas as pd

    import odibi_assets as oda

    shop = oda.Pipeline(
        "shop", checkpoint="layer", retry=oda.Retry(max_retries=2), params={"least": 2}, jobs={"first": ["orders"]},
        schedule={"cron": "0 6 * * *"},
    )
    shop.read("orders", layer="bronze", format="csv", path="data/orders.csv", options={"sep": ","})
    shop.command(
        "staged", ["python", "stage.py", "{{ params.least }}"], layer="bronze", files=["data/orders.csv"],
        outputs={"stage": {"path": "out/stage.txt", "format": "text"}},
    )


    @shop.step(layer="silver", retry=oda.Retry(max_retries=1), params={"least": "{{ params.least }}"})
    def big(orders: pd.DataFrame, *, least: int = 0) -> pd.DataFrame:
        """Orders that count."""
        return orders[orders["amount"] >= least]


    @shop.step(layer="gold", inputs={"frame": "big", "text": "staged"}, outputs={"count": {"format": "json"}})
    def counted(frame, text):
        return {"count": {"rows": len(frame), "text": text}}


    shop.sql(
        "total", """
        select customer, sum(amount) as amount  -- all of it
        from big
        group by customer
        order by customer
        """, layer="gold", inputs=["big"], write={"format": "csv", "path": "out/total.csv"},
    )
    '''


def test_an_exported_pipeline_reuses_what_the_declared_one_computed(project: ProjectFolder) -> None:
    project.write("data/orders.csv", "customer,amount\nann,1\nbob,2\n")
    project.write("shop.py", DECLARED)
    project.write("stage.py", "import sys\nopen('out/stage.txt', 'w').write(sys.argv[1])\n")
    ran = project.run(pipeline="shop.py:shop")
    assert ran["status"] == "success"
    answer = project.oda("export", "shop.py:shop", "--output", "shop.yaml")
    assert answer.status == 0, answer.text
    assert project.oda("validate", "shop.yaml").status == 0
    keys = {step["name"]: step["key"] for step in ran["steps"]}
    plan = project.plan(pipeline="shop.yaml")
    assert {name: step["key"] for name, step in plan.items()} == keys
    assert {step["outcome"] for step in plan.values()} == {"hit"}
    again = project.oda("export", "shop.yaml")
    assert again.stdout == (project.root / "shop.yaml").read_text()


def test_an_export_overwrites_nothing(project: ProjectFolder) -> None:
    project.write(
        "shop.py",
        """
        import odibi_assets as oda
        shop = oda.Pipeline("shop")
        shop.read("a", layer="bronze", format="csv", path="a.csv")
        """,
    )
    project.write("shop.yaml", "mine")
    answer = project.oda("export", "shop.py:shop", "--output", "shop.yaml")
    assert answer.status == 2
    assert "can't be written: File exists" in answer.stderr
    assert (project.root / "shop.yaml").read_text() == "mine"
