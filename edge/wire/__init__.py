"""What goes over the wire, declared once: commands, states and events.

Each has its name, its fields, their ranges, the words for people and what Home Assistant offers.
The parser, the payloads, deploy/MQTT.md, the discovery message and the page come from here. Pure.
"""
