"""Small files as Lustre clients write them: made up, in the formats of several versions."""

OLD_STATS = """\
snapshot_time             1510950459.7724 secs.usecs
read_bytes                2 samples [bytes] 4096 8192 12288
write_bytes               3 samples [bytes] 1 2 5 9
open                      7 samples [regs]
llog_origin_handle_next_block 4 samples [regs]
"""
NEW_STATS = """\
snapshot_time             1749630724.585904599 secs.nsecs
start_time                1748858812.500000000 secs.nsecs
elapsed_time              771912.085904599 secs.nsecs
read_bytes                3 samples [bytes] 28 40 96 3168
hybrid_read_bytes         1 samples [bytes] 40 40 40 1600
read                      3 samples [usecs] 31 2104 4188 8642586
open                      45 samples [usecs] 3 3964 18140 9223372036854775807
opencount                 62 samples [reqs] 1 3 70 90
openclosetime             9 samples [usecs] 1310 72792200544 87801149569 5538044318550188265
"""
DEVICE_STATS = """\
snapshot_time             1749628896.485828991 secs.nsecs
req_waittime              4 samples [usec] 10 500 1500000 760
req_active                4 samples [reqs] 1 3 5 9
"""
RPC_STATS = """\
snapshot_time:         1510950459.787901292 (secs.nsecs)
read RPCs in flight:  1
write RPCs in flight: 6
pending write pages:  1244
pending read pages:   0

\t\t\tread\t\t\twrite
pages per rpc         rpcs   % cum % |       rpcs   % cum %
1:\t\t         2  50  50   |          0   0   0
1024:\t\t         2  50 100   |          9 100 100

\t\t\tread\t\t\twrite
rpcs in flight        rpcs   % cum % |       rpcs   % cum %
1:\t\t         4 100 100   |          9 100 100
"""
READ_AHEAD = """\
snapshot_time             1388431440.337285 secs.usecs
hits                      49 samples [pages]
readpage not consecutive  3 samples [pages]
"""
OLDEST_STATS = """\
snapshot_time             1388431440.    3285 secs.usecs
dirty_pages_hits          22 samples [regs]
brw_read                  4 samples [pages] 1 2 7
osc_write                 3 samples [bytes] 4096 8192 12288
mmap                      5 samples [regs]
"""
HYBRID_STATS = """\
snapshot_time             1790277040.611962111 secs.nsecs
start_time                1790008165.367572621 secs.nsecs
elapsed_time              268875.244389490 secs.nsecs
write_bytes               2 samples [bytes] 1 16777216 20971520 299067162755072
hybrid_write_bytes        2 samples [bytes] 4194304 16777216 20971520 299067162755072
pcc_hit_bytes             1 samples [bytes] 5 5 5 25
open                      3 samples [usecs] 0 40 60 2000
openclosetime             3 samples [usecs] 766 129984077 549421294037909 9223372036854775807
hybrid_noswitch           88 samples [reqs]
"""
LATENCY_RPC_STATS = """\
snapshot_time:            1790277040.614799671 secs.nsecs
start_time:               1790008165.378161500 secs.nsecs
elapsed_time:             268875.236638171 secs.nsecs
read RPCs in flight:  1
write RPCs in flight: 2
DIO RPCs in flight: 3
pending write pages:  4
pending read pages:   5

\t\t\tread\t\t\twrite
pages per rpc         rpcs   % cum % |       rpcs   % cum %
1:\t\t         7  50  50   |          8  50  50
1K:\t\t         7  50 100   |          8  50 100

\t\t\tread\t\t\twrite
RPC latency (us)       count   % cum % |       count   % cum %
0:\t\t         0   0   0   |          0   0   0
1024:\t\t       327  63  64   |      93264  89  90
"""
MODIFY_RPC_STATS = """\
snapshot_time:         1510950459.783304874 (secs.nsecs)
modify_RPCs_in_flight:  3

\t\t\tmodify
rpcs in flight        rpcs   %% cum %%
0:\t\t         0   0   0
1:\t\t        90 100 100
"""
OLD_READ_AHEAD = """\
snapshot_time             1388431440.337285 secs.usecs
read-ahead to EOF         7 samples [pages]
hit max r-a issue         2 samples [pages]
failed grab_cache_page    1 samples [pages]
"""
NEW_READ_AHEAD = """\
snapshot_time             1790276932.809272687 secs.nsecs
start_time                1790276703.756806473 secs.nsecs
hits                      10772 samples [pages]
readahead_to_eof          3 samples [pages]
readahead_pages           12 samples [pages] 15 2047 10772
"""
LNET_LINE = "0 39 2 100 90 0 11 2000 1000 0 44\n"
LNET_YAML = "statistics:\n    msgs_alloc: 0\n    errors: 2\n    send_count: 100\n    recv_count: 90\n"
DISABLED = "disabled\n write anything to this file to activate, then '0' or 'disable' to deactivate\n"

GET_PARAM = f"""\
version=2.14.0_ddn259
health_check=healthy
memused=35721854085
stats={LNET_LINE}llite.scratch-ffff8b524be17800.stats=
{NEW_STATS}llite.scratch-ffff8b524be17800.extents_stats=
{DISABLED}llite.scratch-ffff8b524be17800.kbytestotal=1024
osc.scratch-OST0003-osc-ffff8b524be17800.stats=
{DEVICE_STATS}osc.scratch-OST0003-osc-MDT0000.stats=
{DEVICE_STATS}"""

ODD_NAMES = f"""\
error: get_param: param_path 'osc/*/cur_dirty_bytes': No such file or directory
version=
lustre: 2.7.0
kernel: patchless_client
build: 2.7.0--CHANGED-3.10.0
llite.scratch-01-00000000a1b2c3d4.stats=
{OLD_STATS}llite.my.fs-ffff880d2e5a6000.stats=
{OLD_STATS}llite.my.fs-ffff880d2e5a7000.stats=
{OLD_STATS}llite.early-(____ptrval____).stats=
{OLD_STATS}llite.idle-ffff880d2e5a8000.stats=snapshot_time             1388431440.337285 secs.usecs
osc.scratch-01-OST000a-osc-00000000a1b2c3d4.stats=
{DEVICE_STATS}mdc.my.fs-MDT0001-mdc-ffff880d2e5a6000.rpc_stats=
{MODIFY_RPC_STATS}"""
"""File systems with dashes and dots in their names, two mounts of one, one where the kernel tells no address."""
