"""Calls a method that does not exist, and continues."""

import grpc
from sdk import CoreSDK

channel = grpc.insecure_channel("127.0.0.1:20086")
call = channel.unary_unary("/coresdk.Result/DropDatabase")
try:
    call(b"")
    code = "none"
except grpc.RpcError as error:
    code = error.code().name
CoreSDK.Result.push_data({"code": code})
