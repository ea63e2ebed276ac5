"""A batch on a Spark cluster. Nothing else imports pyspark, and this only when it is asked for."""
