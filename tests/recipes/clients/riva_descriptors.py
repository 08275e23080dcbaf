"""nvidia-riva-client: its messages, enumerations and methods, as they are on the wire. Usage: none."""

from __future__ import annotations

import json
from types import ModuleType

import riva.client.proto.riva_asr_pb2 as asr
import riva.client.proto.riva_audio_pb2 as audio
import riva.client.proto.riva_common_pb2 as common
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor


def field(each: FieldDescriptor) -> dict[str, object]:
    return {
        "name": each.name,
        "type": each.type,
        "repeated": each.is_repeated,
        "presence": each.has_presence,
        "message": each.message_type.full_name if each.message_type else None,
        "enum": each.enum_type.full_name if each.enum_type else None,
    }


def messages(found: Descriptor) -> dict[str, object]:
    nested = [messages(each) for each in found.nested_types]
    own = {found.full_name: {str(each.number): field(each) for each in found.fields}}
    return {name: fields for group in (own, *nested) for name, fields in group.items()}


def service(found: ServiceDescriptor) -> dict[str, object]:
    return {
        method.name: [
            method.input_type.full_name,
            method.output_type.full_name,
            method.client_streaming,
            method.server_streaming,
        ]
        for method in found.methods
    }


def described(module: ModuleType) -> dict[str, dict[str, object]]:
    file = module.DESCRIPTOR
    return {
        "messages": {k: v for each in file.message_types_by_name.values() for k, v in messages(each).items()},
        "enums": {
            each.full_name: {str(value.number): value.name for value in each.values}
            for each in file.enum_types_by_name.values()
        },
        "services": {each.full_name: service(each) for each in file.services_by_name.values()},
    }


if __name__ == "__main__":
    parts = [described(module) for module in (asr, audio, common)]
    print(json.dumps({kind: {k: v for part in parts for k, v in part[kind].items()} for kind in parts[0]}))
