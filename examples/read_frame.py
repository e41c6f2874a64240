"""A frame of a rack, read by a client of MQTT: ``python examples/read_frame.py [host] [port]``."""

import asyncio
import json
import sys

import aiomqtt


async def read(host: str = "127.0.0.1", port: str = "1883") -> None:
    """Print the warmest GPU of the first rack that is heard."""
    async with aiomqtt.Client(host, int(port)) as client:
        await client.subscribe("twin/v1/+/rack/+")
        message = await anext(aiter(client.messages))
        frame = json.loads(bytes(message.payload))  # docs/asyncapi.yaml says what is in it
        print(message.topic, max(filter(None, frame["gpu"]["gpu_temp"])), "°C")


if __name__ == "__main__":
    asyncio.run(read(*sys.argv[1:]))
