"""P4Runtime as captured: messages by method, updates by class, replies with their requests."""

import struct

from finsy.proto import p4r

from experiments.measurement.p4runtime import messages

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM = 1


def frame(kind, stream, payload=b"", flags=0):
    return len(payload).to_bytes(3) + bytes((kind, flags)) + struct.pack("!I", stream) + payload


def grpc(message):
    data = message.SerializeToString()
    return b"\0" + struct.pack("!I", len(data)) + data


def request(stream, message):
    return frame(HEADERS, stream, b"h" * 20) + frame(DATA, stream, grpc(message), END_STREAM)


def reply(stream, message):
    return frame(HEADERS, stream, b"h") + frame(DATA, stream, grpc(message)) + frame(HEADERS, stream, b"t", END_STREAM)


def update(kind, metadata, table=5):
    entry = p4r.TableEntry(table_id=table, metadata=metadata)
    return p4r.Update(type=kind, entity=p4r.Entity(table_entry=entry))


def write(*updates):
    return p4r.WriteRequest(device_id=3, election_id=p4r.Uint128(low=10), updates=updates)


def told(towards, back=b""):
    return [(m.from_controller, m.name, m.rule_class) for m in messages(PREFACE + frame(SETTINGS, 0) + towards, back)]


def test_the_updates_of_a_write_have_the_classes_of_their_entries():
    towards = request(1, write(update(p4r.Update.INSERT, b"\3"), update(p4r.Update.DELETE, b"\2")))
    assert told(towards, reply(1, p4r.WriteResponse())) == [
        (True, "INSERT", "steer"),
        (True, "DELETE", "attach"),
        (True, "WRITE", "attach"),
        (False, "WRITE_REPLY", "attach"),
    ]


def test_every_byte_of_a_call_is_counted_once():
    towards, back = request(1, write(update(p4r.Update.MODIFY, b"\4"))), reply(1, p4r.WriteResponse())
    found = list(messages(PREFACE + towards, back))
    assert sum(m.size for m in found if m.from_controller) == len(towards)
    assert sum(m.size for m in found if not m.from_controller) == len(back)
    assert {m.end for m in found if m.from_controller} == {len(PREFACE + towards)}


def test_methods_are_told_apart_without_their_names():
    info = p4r.GetForwardingPipelineConfigRequest(device_id=3, response_type=2)
    pipeline = p4r.SetForwardingPipelineConfigRequest(device_id=3, action=3, election_id=p4r.Uint128(low=10))
    pipeline.config.p4_device_config = b"x"
    read = p4r.ReadRequest(device_id=3, entities=[p4r.Entity(table_entry=p4r.TableEntry())])
    calls = [p4r.CapabilitiesRequest(), info, pipeline, read]
    towards = b"".join(request(2 * n + 1, call) for n, call in enumerate(calls))
    assert [name for _, name, _ in told(towards)] == ["CAPABILITIES", "GET_PIPELINE", "SET_PIPELINE", "READ"]


def test_what_a_switch_tells_by_itself_has_a_class_where_it_is_about_a_pinned_connection():
    arbitration = p4r.MasterArbitrationUpdate(device_id=3)
    towards = frame(HEADERS, 1) + frame(DATA, 1, grpc(p4r.StreamMessageRequest(arbitration=arbitration)))
    packets = []
    for reason in (b"\1", b"\2"):
        packet = p4r.PacketIn(payload=b"frame")
        packet.metadata.add(metadata_id=1, value=b"\3")
        packet.metadata.add(metadata_id=2, value=reason)
        packets.append(p4r.StreamMessageResponse(packet=packet))
    silent = p4r.IdleTimeoutNotification(table_entry=[p4r.TableEntry(table_id=5)], timestamp=1)
    packets.append(p4r.StreamMessageResponse(idle_timeout_notification=silent))
    back = frame(HEADERS, 1) + b"".join(frame(DATA, 1, grpc(packet)) for packet in packets)
    assert told(towards, back) == [
        (True, "ARBITRATION", ""),
        (False, "PACKET_IN", ""),
        (False, "PACKET_IN", "pin"),
        (False, "IDLE_TIMEOUT", "pin"),
    ]


def test_a_message_in_several_frames_is_one():
    whole = grpc(write(*(update(p4r.Update.INSERT, b"\1", table) for table in range(1, 200))))
    towards = frame(HEADERS, 1) + frame(DATA, 1, whole[:100]) + frame(DATA, 1, whole[100:], END_STREAM)
    assert len(told(towards)) == 200


def test_a_stream_that_is_no_http_2_or_ends_within_a_frame_has_no_further_messages():
    assert told(b"GET / HTTP/1.1\r\n\r\n") == []
    assert told(request(1, write(update(p4r.Update.INSERT, b"\1")))[:-3]) == []
