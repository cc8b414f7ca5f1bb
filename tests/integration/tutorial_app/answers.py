"""The form of every answer."""

from datetime import datetime

from flask import jsonify


def answer(code, msg, data="", **more):
    time = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    return jsonify(code=code, data=data, msg=msg, time=time, **more)
