"""Django REST framework with djangorestframework-simplejwt, set up as its documentation says, and 10,000 users.

``python app.py PORT FOLDER`` makes the database, writes a token into FOLDER/token, and serves.
"""

import multiprocessing
import sys
from pathlib import Path

import django
from django.conf import settings
from granian import Granian
from granian.constants import Interfaces

port, folder = int(sys.argv[1]), Path(sys.argv[2])
USERS = 10_000

settings.configure(
    SECRET_KEY="a key that is long enough for HS256, and no secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3", "CONN_MAX_AGE": None}
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ("rest_framework_simplejwt.authentication.JWTAuthentication",),
        "DEFAULT_RENDERER_CLASSES": ("rest_framework.renderers.JSONRenderer",),
    },
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken


class UserInfo(APIView):
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        user = request.user
        return Response({"id": user.id, "user_name": user.username, "registration_time": user.date_joined})


class Orders(APIView):
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({"orders_of": request.user.username})


urlpatterns = [
    path("healthz", lambda request: HttpResponse("alive")),
    path("user_info", UserInfo.as_view()),
    path("orders", Orders.as_view()),
]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    User.objects.bulk_create(User(username=f"138{number:08}", password="!") for number in range(USERS))
    user = User.objects.create_user("13800138000", password="correct horse")
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=token.lifetime * 100)
    (folder / "token").write_text(str(token))
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "app", address="127.0.0.1", port=port, interface=Interfaces.WSGI, blocking_threads=1, log_enabled=False
    ).serve(target_loader=lambda *_: get_wsgi_application(), wrap_loader=False)
