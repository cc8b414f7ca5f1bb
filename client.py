"""The client of the HTTP API: ``from menshen.client import Client``. It needs ``menshen[client]``."""

from .entrypoints.client.account import Client as Client
from .entrypoints.client.admin import AdminClient as AdminClient
from .entrypoints.client.answers import AuditEntry as AuditEntry
from .entrypoints.client.answers import AuditPage as AuditPage
from .entrypoints.client.answers import Device as Device
from .entrypoints.client.answers import EndedBy as EndedBy
from .entrypoints.client.answers import Explanation as Explanation
from .entrypoints.client.answers import OwnSession as OwnSession
from .entrypoints.client.answers import Session as Session
from .entrypoints.client.answers import SessionEnd as SessionEnd
from .entrypoints.client.answers import SessionRecord as SessionRecord
from .entrypoints.client.answers import User as User
from .entrypoints.client.answers import UserPage as UserPage
from .entrypoints.client.answers import UserRecord as UserRecord
from .entrypoints.client.asynchronous import AsyncAdminClient as AsyncAdminClient
from .entrypoints.client.asynchronous import AsyncClient as AsyncClient
from .entrypoints.client.declined import *
from .entrypoints.client.keeping import NotLoggedIn as NotLoggedIn
from .entrypoints.client.keeping import SignedOut as SignedOut
from .entrypoints.client.reading import AnswerUnreadable as AnswerUnreadable
from .entrypoints.client.refused import Refused as Refused
from .entrypoints.client.refused import TooManyDevices as TooManyDevices
from .entrypoints.client.refused import Unauthenticated as Unauthenticated
from .entrypoints.client.refused import Unavailable as Unavailable
from .entrypoints.client.tokens import Tokens as Tokens
from .entrypoints.client.transport import NoAnswer as NoAnswer
from .entrypoints.client.unauthenticated import *
