using System.CommandLine;
using DmEra.Backup.Images;
using DmEra.Backup.Stores;
using DmEra.Cli.Backups;

namespace DmEra.Cli.Commands;

/// <summary><c>era backups</c>: the images in a repository.</summary>
internal static class BackupsCommand
{
    public static Command Create()
    {
        RepositoryArguments repository = new();
        Option<bool> json = CommonArguments.Json();
        EraCommand command = new(
            "backups",
            "List the images in a repository. Each can be restored, and removed, without regard to the others; the lines "
                + "on the left show which was taken on top of which.",
            "era backups /backups/disk",
            "era backups s3://backups/disk --json")
        {
            repository.Operand,
            json,
        };
        repository.AddTo(command);
        command.SetAction(parse =>
        {
            using StopToken stop = new();
            using Repository opened = repository.Open(parse, stop.Token);
            return List(opened, parse, parse.GetValue(json));
        });
        return command;
    }

    private static int List(Repository repository, ParseResult parse, bool asJson)
    {
        List<ImageManifest> images = [];
        int exitCode = ExitCode.Done;
        foreach (uint number in repository.ImageNumbers())
        {
            try { images.Add(repository.ReadImage(number)); }
            catch (ObjectDamagedException fault)
            {
                // One that is damaged does not hide the others.
                parse.InvocationConfiguration.Error.WriteLine(ErrorLine.For(fault));
                exitCode = ExitCode.Failed;
            }
        }

        if (asJson) parse.Output().WriteLine(BackupReports.ToJson(images));
        else ImageTable.Write(parse.Output(), images);
        return exitCode;
    }
}
