using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using DmEra.Backup.Images;
using DmEra.Backup.Reading;
using DmEra.Devices;
using DmEra.Nbd;

namespace DmEra.Cli.Backups;

/// <summary>Has qemu-img make a disk image of its own format: it reads the image over NBD, straight from the
/// repository.</summary>
internal static class QemuExport
{
    private const string Program = "qemu-img";
    private const string ExportName = "image";

    /// <summary>Makes a qcow2 image.</summary>
    /// <exception cref="CommandException">qemu-img is missing, or failed.</exception>
    public static void Run(Repository repository, ImageManifest image, string path, bool showProgress, CancellationToken stop)
    {
        // There before qemu-img writes to it, which would make it readable for everybody.
        using NewDiskImage made = NewDiskImage.Create(path, length: 0);
        made.Device.ReleaseLock();      // qemu-img has one of its own
        string folder = Directory.CreateTempSubdirectory("era-export-").FullName;
        try
        {
            string socket = Path.Combine(folder, "nbd");
            using ImageDevice device = ImageDevice.Open(repository, image, "era export");
            NbdExport export = new(ExportName, device, new BlockStatusCatalog([device])) { IsReadOnly = true };
            using NbdServer server = new([export], new NbdServerOptions());
            server.Listen(new UnixDomainSocketEndPoint(socket));
            Convert($"nbd+unix:///{ExportName}?socket={Uri.EscapeDataString(socket)}", made.Device.DescriptorPath, path, showProgress, stop);
            made.Complete();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Convert(string uri, string target, string path, bool showProgress, CancellationToken stop)
    {
        List<string> arguments = ["convert", "-f", "raw", "-O", "qcow2", "-W"];
        if (showProgress) arguments.Add("-p");
        using Process process = Start([.. arguments, uri, target], showProgress);
        // The first line says what went wrong.
        Task<string?> complaint = process.StandardError.ReadLineAsync(CancellationToken.None).AsTask();
        using CancellationTokenRegistration end = stop.Register(process.Kill);
        process.WaitForExit();
        stop.ThrowIfCancellationRequested();
        if (process.ExitCode != 0) throw new CommandException($"{path}: {complaint.Result ?? $"{Program} failed"}");
    }

    private static Process Start(List<string> arguments, bool showProgress)
    {
        ProcessStartInfo start = new(Program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = !showProgress,
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new CommandException($"{Program} is missing; install qemu-utils, or export to a raw image");
        }
    }
}
