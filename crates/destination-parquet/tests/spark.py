"""Reads tables' folders with Spark and prints their columns and rows as JSON: spark.py FOLDER…, a folder `view:FOLDER` by the view beside it.

No option is set that readers would have to know. One session reads them all, as it takes seconds to start.
"""

import decimal
import json
import sys

from pyspark.sql import Row, SparkSession
from pyspark.sql.functions import col, unix_micros
from pyspark.sql.types import TimestampType


def view(spark, folder):
    for statement in open(f"{folder}/_commutator/current_rows.spark.sql").read().split(";\n"):
        if statement.strip():
            spark.sql(statement)
    name = folder.rstrip("/").rsplit("/", 1)[1].replace("`", "``")
    return spark.sql(f"SELECT * FROM `{name}_current`")


def seen(spark, place):
    try:
        folder = place.removeprefix("view:")
        frame = spark.read.parquet(folder) if folder == place else view(spark, folder)
        columns = [(field.name, field.dataType.simpleString()) for field in frame.schema]
        quoted = lambda name: col("`" + name.replace("`", "``") + "`")
        # As microseconds: Python's own time zones need a package that is not there.
        values = [
            (unix_micros(quoted(field.name)) if isinstance(field.dataType, TimestampType) else quoted(field.name)).alias(f"c{i}")
            for i, field in enumerate(frame.schema)
        ]
        return {"columns": columns, "rows": [[text(value) for value in row] for row in frame.select(values).collect()]}
    except Exception as error:
        return {"error": str(error)[:2000]}


def text(value):
    """Returns a value in a form that JSON keeps: numbers as their digits, bytes in hexadecimal, what is nested as it is."""
    if isinstance(value, Row):
        return {name: text(member) for name, member in zip(value.__fields__, value)}
    if isinstance(value, list):
        return [text(element) for element in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return str(value)


if __name__ == "__main__":
    settings = {
        "spark.master": "local[1]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "1",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    json.dump([seen(spark, place) for place in sys.argv[1:]], sys.stdout)
    spark.stop()
