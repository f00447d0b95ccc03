# SPDX-License-Identifier: BSD-3-Clause
"""TRex, stateless: SYN flood from 198.18.0.0/15 at Weir's 10.77.0.1:80, checksums by the NIC."""
from trex_stl_lib.api import (
    IP,
    TCP,
    CTRexVmInsFixHwCs,
    Ether,
    STLPktBuilder,
    STLScVmRaw,
    STLStream,
    STLTXCont,
    STLVmFixChecksumHw,
    STLVmFlowVar,
    STLVmWrFlowVar,
)


class SynFlood:
    def get_streams(self, direction=0, **kwargs):
        if direction != 0:
            return []  # only towards Weir's edge
        changes = STLScVmRaw(
            [
                STLVmFlowVar(name="source", min_value="198.18.0.1", max_value="198.19.255.254", size=4, op="random"),
                STLVmFlowVar(name="port", min_value=1024, max_value=65000, size=2, op="random"),
                STLVmFlowVar(name="seq", min_value=0, max_value=0xFFFFFFFF, size=4, op="random"),
                STLVmWrFlowVar(fv_name="source", pkt_offset="IP.src"),
                STLVmWrFlowVar(fv_name="port", pkt_offset="TCP.sport"),
                STLVmWrFlowVar(fv_name="seq", pkt_offset="TCP.seq"),
                STLVmFixChecksumHw(l3_offset="IP", l4_offset="TCP", l4_type=CTRexVmInsFixHwCs.L4_TYPE_TCP),
            ]
        )
        packet = Ether() / IP(src="198.18.0.1", dst="10.77.0.1") / TCP(dport=80, flags="S")
        return [STLStream(packet=STLPktBuilder(pkt=packet, vm=changes), mode=STLTXCont())]


def register():
    return SynFlood()
