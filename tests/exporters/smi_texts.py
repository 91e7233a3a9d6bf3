"""Small outputs in nvidia-smi's formats, made up."""

TABLE = """\
index, uuid, name, driver_version, mig.mode.current, utilization.gpu [%], memory.total [MiB], power.draw [W], \
clocks.current.sm [MHz], temperature.gpu, temperature.memory, remapped_rows.failure, clocks_event_reasons.active
0, GPU-a, NVIDIA H100, 590.48.01, Disabled, 50 %, 81559 MiB, 69.85 W, 345 MHz, 41, [N/A], No, 0x0000000000000004
1, GPU-b, NVIDIA H100, 590.48.01, Disabled, [Insufficient Permissions], 81559 MiB, ERR!, 345 MHz, 42, 51, Yes, [N/A]
"""
DIVIDED = TABLE.replace("Disabled", "Enabled")
LIST = """\
GPU 0: NVIDIA H100 (UUID: GPU-a)
  MIG 3g.40gb     Device  0: (UUID: MIG-1)
GPU 1: NVIDIA H100 (UUID: GPU-b)
"""


def _xml(power: str, reasons: str, mig: str) -> str:
    return f"""\
<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <driver_version>590.48.01</driver_version>
  <gpu id="00000000:01:00.0">
    <product_name>NVIDIA H100</product_name>
    {mig}
    <uuid>GPU-a</uuid>
    <minor_number>3</minor_number>
    <pci><replay_counter>2</replay_counter></pci>
    {reasons}
    <fb_memory_usage><total>1024 MiB</total><used>24 MiB</used><free>1000 MiB</free></fb_memory_usage>
    <utilization><gpu_util>N/A</gpu_util><memory_util>7 %</memory_util></utilization>
    <ecc_errors><volatile>
      <sram_correctable>1</sram_correctable><dram_correctable>2</dram_correctable>
      <sram_uncorrectable_parity>N/A</sram_uncorrectable_parity><dram_uncorrectable>N/A</dram_uncorrectable>
    </volatile></ecc_errors>
    <remapped_rows>N/A</remapped_rows>
    <temperature><gpu_temp>27 C</gpu_temp></temperature>
    {power}
    <clocks><sm_clock>1275 MHz</sm_clock><mem_clock>1593 MHz</mem_clock></clocks>
  </gpu>
</nvidia_smi_log>
"""


NEW_XML = _xml(
    "<gpu_power_readings><average_power_draw>139.62 W</average_power_draw>"
    "<instant_power_draw>142.33 W</instant_power_draw><current_power_limit>320.00 W</current_power_limit>"
    "</gpu_power_readings>",
    "<clocks_event_reasons><clocks_event_reason_gpu_idle>Not Active</clocks_event_reason_gpu_idle>"
    "<clocks_event_reason_sw_power_cap>Active</clocks_event_reason_sw_power_cap></clocks_event_reasons>",
    "<mig_mode><current_mig>Enabled</current_mig></mig_mode><mig_devices><mig_device><index>0</index>"
    "<gpu_instance_id>3</gpu_instance_id><fb_memory_usage><total>512 MiB</total><used>12 MiB</used>"
    "</fb_memory_usage></mig_device></mig_devices>",
)
OLD_XML = _xml(
    "<power_readings><power_draw>26.78 W</power_draw><enforced_power_limit>70.00 W</enforced_power_limit>"
    "</power_readings>",
    "<clocks_throttle_reasons><clocks_throttle_reason_gpu_idle>Active</clocks_throttle_reason_gpu_idle>"
    "</clocks_throttle_reasons>",
    "<mig_mode><current_mig>N/A</current_mig></mig_mode><mig_devices>None</mig_devices>",
)
