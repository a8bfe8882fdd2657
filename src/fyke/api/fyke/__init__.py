"""Operations under ``/api/fyke``, for the console and the commands, beyond v1 and v2."""
