"""The SDK of a Python Worker: read the input, push rows, write log lines.

    from sdk import CoreSDK

    task = CoreSDK.Parameter.get_input_json_dict()
    CoreSDK.Result.push_data({"url": task["url"]})
    CoreSDK.Log.info("done")

Every call returns when the platform has carried it out: a row that was pushed is on its disk.
A refusal (a row over 8 MiB, a run that is full) raises ``SDKError``, whose text names the limit.
The connection is made with the first call, so that importing this file costs next to nothing.
Calls may come from any thread.
"""

import json
import threading

ADDRESS = "127.0.0.1:20086"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class SDKError(RuntimeError):
    """The platform did not carry out a call; ``code`` is what it answered."""

    def __init__(self, code, message):
        super().__init__(message or f"the platform answered code {code}")
        self.code = code


class _Connection:
    """The one channel of this process, made when it is first needed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._stubs = None

    def stubs(self):
        if self._stubs is None:
            with self._lock:
                if self._stubs is None:
                    self._stubs = self._connect()
        return self._stubs

    @staticmethod
    def _connect():
        import grpc
        import sdk_pb2
        import sdk_pb2_grpc

        channel = grpc.insecure_channel(
            ADDRESS,
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.enable_http_proxy", 0),
            ],
        )
        return (
            sdk_pb2,
            sdk_pb2_grpc.ParameterStub(channel),
            sdk_pb2_grpc.ResultStub(channel),
            sdk_pb2_grpc.LogStub(channel),
        )


_connection = _Connection()


def _checked(response):
    if response.code:
        raise SDKError(response.code, response.message)
    return response


class Parameter:
    """The input of this task."""

    @staticmethod
    def get_input_json_str():
        """The input as JSON text; ``{}`` when there is none."""
        from google.protobuf.empty_pb2 import Empty

        _, parameter, _, _ = _connection.stubs()
        response = parameter.GetInputJSONString(Empty())
        if response.code:
            raise SDKError(response.code, response.jsonString)
        return response.jsonString or "{}"

    @staticmethod
    def get_input_json_dict():
        """The input as Python values."""
        return json.loads(Parameter.get_input_json_str())


class Result:
    """Columns and rows of this task."""

    @staticmethod
    def set_table_header(headers):
        """Declare the columns: a list of dicts with ``label``, ``key`` and ``format``."""
        sdk_pb2, _, result, _ = _connection.stubs()
        items = [
            sdk_pb2.TableHeaderItem(
                label=str(header.get("label", "")),
                key=str(header.get("key", "")),
                format=str(header.get("format", "")),
            )
            for header in headers
        ]
        return _checked(result.SetTableHeader(sdk_pb2.TableHeader(headers=items)))

    @staticmethod
    def push_data(obj):
        """Store one row, normally a dict. Returns when it is stored."""
        sdk_pb2, _, result, _ = _connection.stubs()
        text = json.dumps(obj, ensure_ascii=False)
        try:
            data = sdk_pb2.Data(jsonString=text)
        except (UnicodeEncodeError, ValueError):
            # half a surrogate pair: escaped, it reaches the platform, which replaces it
            data = sdk_pb2.Data(jsonString=json.dumps(obj))
        return _checked(result.PushData(data))

    @staticmethod
    def upsert_data(obj, unique_key):
        """Store one row, or merge it into the row of this run that has the same value in the
        column ``unique_key``.
        """
        if not unique_key:
            raise ValueError("unique_key is required")
        if unique_key not in obj:
            raise ValueError(f"unique_key [{unique_key}] not found in data")
        marked = dict(obj)
        marked["__coreclaw_upsert_key__"] = unique_key
        marked["__coreclaw_upsert_value__"] = str(obj[unique_key])
        return Result.push_data(marked)


class Log:
    """Lines for the log of the run."""

    @staticmethod
    def debug(message):
        return Log._write("Debug", message)

    @staticmethod
    def info(message):
        return Log._write("Info", message)

    @staticmethod
    def warn(message):
        return Log._write("Warn", message)

    @staticmethod
    def error(message):
        return Log._write("Error", message)

    @staticmethod
    def _write(method, message):
        sdk_pb2, _, _, log = _connection.stubs()
        text = str(message).encode("utf-8", "replace").decode("utf-8")
        return _checked(getattr(log, method)(sdk_pb2.LogBody(log=text)))


class CoreSDK:
    """All of it under one name."""

    Parameter = Parameter
    Result = Result
    Log = Log
