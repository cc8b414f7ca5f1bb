"""A SELECT that is asked at every request, spelled once for the driver."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from sqlalchemy import Dialect, Select

Conversions = tuple[tuple[int, Callable[[Any], Any]], ...]


@define
class Spelled:
    """A statement as one driver takes it."""

    text: str
    names: tuple[str, ...] | None
    """The parameters in their order, where the driver takes them by place."""
    columns: tuple[str, ...]
    kinds: tuple[Any, ...]
    dialect: Dialect
    _conversions: Conversions | None = None
    """What makes of a value what the type of its column promises, by place; known from the first answer on."""

    def row(self, cursor: Any, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row, by the names of its columns."""
        given = parameters if self.names is None else [parameters[name] for name in self.names]
        cursor.execute(self.text, given)
        found = cursor.fetchone()
        if found is None:
            return None
        conversions = self._conversions
        if conversions is None:
            conversions = self._conversions = self._converting([each[1] for each in cursor.description])
        values = list(found)
        for place, convert in conversions:
            values[place] = convert(values[place])
        return dict(zip(self.columns, values, strict=True))

    def _converting(self, drivers_types: list[Any]) -> Conversions:
        found = [
            (place, kind._cached_result_processor(self.dialect, drivers_type))
            for place, (kind, drivers_type) in enumerate(zip(self.kinds, drivers_types, strict=True))
        ]
        return tuple((place, convert) for place, convert in found if convert is not None)


@define
class QuickSelect:
    """*statement*, which names its columns and takes plain parameters, without what SQLAlchemy does anew for each execution.

    Statement and conversions are still SQLAlchemy's own, so what comes back is what it would give.
    """

    statement: Select[Any]
    _spelled: dict[str, Spelled] = field(factory=dict)

    def spelled(self, dialect: Dialect) -> Spelled:
        found = self._spelled.get(dialect.name)
        if found is None:
            found = self._spelled[dialect.name] = _spell(self.statement, dialect)
        return found


def _spell(statement: Select[Any], dialect: Dialect) -> Spelled:
    compiled = statement.compile(dialect=dialect)
    columns = [*statement.selected_columns]
    return Spelled(
        text=str(compiled),
        names=tuple(compiled.positiontup) if compiled.positiontup is not None else None,
        columns=tuple(str(column.key) for column in columns),
        kinds=tuple(column.type for column in columns),
        dialect=dialect,
    )
