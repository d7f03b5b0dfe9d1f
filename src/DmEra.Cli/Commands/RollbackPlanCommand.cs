using System.CommandLine;
using DmEra.Kernel;
using DmEra.Target.Tracking;
using DmEra.Tools.Caches;

namespace DmEra.Cli.Commands;

/// <summary><c>era rollback-plan</c>: prints the script for rolling back what is below a cache.</summary>
internal sealed class RollbackPlanCommand
{
    private readonly Argument<string> _device = CommonArguments.Operand(
        "DEVICE", "what is below the cache: a device that is being served, or one of the kernel's dm-era");

    private readonly Option<string> _to = CommonArguments.Era("--to", "the label or era at which the snapshot was taken");
    private readonly Option<string> _cache = CommonArguments.Path("--cache", "NAME", "name of the cache, as dmsetup has it");

    private readonly Option<string?> _table = CommonArguments.Text(
        "--cache-table", "LINE", "its table, if it is on another machine [default: what 'dmsetup table NAME' says]");

    private readonly Option<string?> _rollback = CommonArguments.Text(
        "--rollback-cmd", "COMMAND", "rolls the origin back [default: the script asks for it to be done, and waits]");

    public static Command Create() => new RollbackPlanCommand().Build();

    private EraCommand Build()
    {
        EraCommand command = new(
            "rollback-plan",
            "Print a script that rolls back what is below a cache, and has the cache forget just what is no longer true.",
            "era rollback-plan disk.img --to 'before upgrade' --cache cache0",
            "era rollback-plan /dev/mapper/era0 --to 5 --cache cache0 --rollback-cmd 'lvconvert --merge vg/snap'")
        {
            _device,
            _to,
            _cache,
            _table,
            _rollback,
        };
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        string cache = parse.GetRequiredValue(_cache);
        CacheTable table;
        try { table = CacheTable.Parse(parse.GetValue(_table) ?? DeviceMapper.Run("table", cache)); }
        catch (FormatException fault) { throw new CommandException($"{cache}: {fault.Message}"); }

        string to = parse.GetRequiredValue(_to);
        using ILiveDevice device = parse.OpenDevice(_device);
        uint era = device.FindEra(to);
        uint current = device.CurrentEra;
        if (era == 0 || era > current)
            throw new CommandException($"{parse.GetValue(_device)}: is at era {current}; there is no era {era} to go back to");
        EraAccess access = new(device.MetadataPath!, device.MessageCommand);
        RollbackPlan plan = new(to, era, access, cache, table, DeviceMapper.PathOf(table.Metadata), parse.GetValue(_rollback));
        parse.Output().Write(plan.Script());
        return ExitCode.Done;
    }
}
