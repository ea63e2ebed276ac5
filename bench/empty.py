"""The floor of any hook: a FastAPI endpoint that reads the body and answers nothing."""

from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/empty")
async def empty(request: Request) -> dict[str, bool]:
    """Read all of the body, as a service must."""
    return {"read": bool(await request.body())}
