"""A SELECT that runs at every request or login, compiled once for the driver."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field
from sqlalchemy import Connection, Dialect, Engine, Select
from sqlalchemy.exc import SQLAlchemyError

from ...domain.errors import StoreUnavailable
from .database import REPEAT_SECONDS, Database, check_answers

Conversions = tuple[tuple[int, Callable[[Any], Any]], ...]


@define
class Spelled:
    """A statement in the form that one driver takes."""

    text: str
    names: tuple[str, ...] | None
    """The parameters in order, if the driver takes them by position."""
    binders: Mapping[str, Callable[[Any], Any]]
    """The conversions of those parameters that need one."""
    columns: tuple[str, ...]
    kinds: tuple[Any, ...]
    dialect: Dialect
    _conversions: Conversions | None = None
    """The conversions to the columns' types, by position; known from the first answer on."""

    def row(self, cursor: Any, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row, by the names of its columns."""
        cursor.execute(self.text, self.given(parameters))
        found = cursor.fetchone()
        return None if found is None else self.converted(found, self.conversions(cursor))

    def given(self, parameters: Mapping[str, Any]) -> Any:
        """*parameters* as the driver takes them."""
        if self.binders:
            changed = {name: bind(parameters[name]) for name, bind in self.binders.items()}
            parameters = {**parameters, **changed}
        return parameters if self.names is None else tuple(parameters[name] for name in self.names)

    def conversions(self, cursor: Any) -> Conversions:
        """Those of the columns, which *cursor* has answered with."""
        if self._conversions is None:
            found = [
                (place, kind._cached_result_processor(self.dialect, described[1]))
                for place, (kind, described) in enumerate(zip(self.kinds, cursor.description, strict=True))
            ]
            self._conversions = tuple((place, convert) for place, convert in found if convert is not None)
        return self._conversions

    def converted(self, found: Iterable[Any], conversions: Conversions) -> dict[str, Any]:
        values = list(found)
        for place, convert in conversions:
            values[place] = convert(values[place])
        return dict(zip(self.columns, values, strict=True))


@define
class QuickSelect:
    """*statement*, which names its columns and takes plain parameters, without SQLAlchemy's work for each execution.

    Statement and conversions are still SQLAlchemy's own, so what comes back is what it would give.
    """

    statement: Select[Any]
    _spelled: dict[str, Spelled] = field(factory=dict)

    def all_on(self, connection: Connection, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every row, by the names of its columns, on a connection that SQLAlchemy watches."""
        spelled = self.spelled(connection.dialect)
        result = connection.exec_driver_sql(spelled.text, spelled.given(parameters))
        conversions = spelled.conversions(result.cursor)
        return [spelled.converted(row, conversions) for row in result.all()]

    def first_on(self, connection: Connection, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row, in the same way."""
        return next(iter(self.all_on(connection, parameters)), None)

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
        binders={name: bind for name, bind in compiled._bind_processors.items() if callable(bind)},
        columns=tuple(str(column.key) for column in columns),
        kinds=tuple(column.type for column in columns),
        dialect=dialect,
    )


IsAskedFor = Callable[[Mapping[str, Any]], bool]
"""Whether a row is the one that was asked for."""


def first(
    database: Database, select: QuickSelect, parameters: Mapping[str, Any], is_asked_for: IsAskedFor
) -> Mapping[str, Any] | None:
    """The first row of *select*, from the driver; if that fails, from SQLAlchemy, which handles the failure.

    Raises StoreUnavailable, also for the answer to another query.
    """
    begin = time.monotonic()
    own = database.own()
    own.enter()
    try:
        return _first_quickly(own.engine, select, parameters, is_asked_for)
    except (SQLAlchemyError, own.engine.dialect.loaded_dbapi.Error) as error:
        # A caller who has waited in vain does not wait twice.
        if time.monotonic() - begin > REPEAT_SECONDS:
            raise StoreUnavailable("the store did not answer") from error
    finally:
        own.leave()

    def slowly(connection: Connection) -> Mapping[str, Any] | None:
        found = connection.execute(select.statement, parameters).first()
        row = None if found is None else dict(found._mapping)
        check_answers(connection, is_asked_for=row is None or is_asked_for(row))
        return row

    return database.read(slowly)


def _first_quickly(
    engine: Engine, select: QuickSelect, parameters: Mapping[str, Any], is_asked_for: IsAskedFor
) -> Mapping[str, Any] | None:
    """May raise the errors of the pool and of the driver."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        row = select.spelled(engine.dialect).row(cursor, parameters)
        cursor.close()
        check_answers(raw, is_asked_for=row is None or is_asked_for(row))
    except engine.dialect.loaded_dbapi.Error:
        raw.invalidate()
        raise
    finally:
        raw.close()
    return row
