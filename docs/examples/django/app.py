"""A Django project in one file, with accounts: everything is guarded but the news."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from menshen.entrypoints.django import urls

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "menshen.entrypoints.django.GuardMiddleware"],
    MENSHEN_EXEMPT=["news"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(50).hex(),
)


def news(request):
    return JsonResponse({"news": "open to everybody"})


def orders(request):
    return JsonResponse({"orders_of": request.menshen.user.phone.digits})


urlpatterns = [
    path("news", news),
    path("orders", orders),
    *urls,
]

app = get_wsgi_application()
asgi_app = get_asgi_application()
