"""The storage ports on a relational database, by SQLAlchemy Core."""
