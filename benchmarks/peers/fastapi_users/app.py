"""FastAPI Users with SQLAlchemy and JWTs, set up as its documentation says, and 10,000 users.

``python app.py PORT FOLDER`` makes the database, writes a token into FOLDER/token, and serves by uvicorn;
``python app.py PORT FOLDER granian`` by granian.
"""

import asyncio
import multiprocessing
import sys
import uuid
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from granian import Granian
from granian.constants import Interfaces
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

port, folder = int(sys.argv[1]), Path(sys.argv[2])
SECRET = "a key that is long enough for HS256, and no secret"
USERS = 10_000


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class UserRead(schemas.BaseUser[uuid.UUID]):
    pass


class UserCreate(schemas.BaseUserCreate):
    pass


class UserUpdate(schemas.BaseUserUpdate):
    pass


engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/app.sqlite3")
session_maker = async_sessionmaker(engine, expire_on_commit=False)


async def get_session():
    async with session_maker() as session:
        yield session


async def get_user_db(session=Depends(get_session)):
    yield SQLAlchemyUserDatabase(session, User)


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_user_manager(user_db=Depends(get_user_db)):
    yield UserManager(user_db)


def get_strategy():
    return JWTStrategy(secret=SECRET, lifetime_seconds=36000)


backend = AuthenticationBackend(
    name="jwt", transport=BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=get_strategy
)
users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend])
app = FastAPI()
app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")


current_active_user = users.current_user(active=True)


@app.get("/orders")
async def orders(user: User = Depends(current_active_user)):
    return {"orders_of": user.email}


@app.get("/healthz")
async def alive():
    return "alive"


async def fill():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with session_maker() as session:
        session.add_all(User(email=f"138{number:08}@example.com", hashed_password="!") for number in range(USERS))
        await session.commit()
        manager = UserManager(SQLAlchemyUserDatabase(session, User))
        user = await manager.create(UserCreate(email="somebody@example.com", password="correct horse"))
        (folder / "token").write_text(await get_strategy().write_token(user))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(fill())
    if sys.argv[3:] == ["granian"]:
        multiprocessing.set_start_method("fork", force=True)
        Granian("app", address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False).serve(
            target_loader=lambda *_: app, wrap_loader=False
        )
    else:
        uvicorn.run(
            app, host="127.0.0.1", port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools"
        )
