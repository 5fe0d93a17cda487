"""Ways into the database: the only place that knows a driver."""
