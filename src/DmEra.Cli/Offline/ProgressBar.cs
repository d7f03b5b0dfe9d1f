namespace DmEra.Cli.Offline;

/// <summary>A line on the terminal that shows how far some work has got, from its second second on.</summary>
internal sealed class ProgressBar : IDisposable
{
    private const int Width = 40;

    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();        // guards the terminal's line and _isOver
    private readonly TextWriter _terminal;
    private readonly Func<string> _line;
    private readonly Timer _timer;
    private bool _isShown;
    private bool _isOver;

    /// <summary>Begins to watch.</summary>
    /// <param name="terminal">Where to draw.</param>
    /// <param name="fraction">Tells how much is done, from 0 to 1.</param>
    public ProgressBar(TextWriter terminal, Func<double> fraction)
        : this(terminal, () => Render(fraction()))
    {
    }

    /// <summary>Begins to watch.</summary>
    /// <param name="terminal">Where to draw.</param>
    /// <param name="line">Tells what to draw.</param>
    public ProgressBar(TextWriter terminal, Func<string> line)
    {
        _terminal = terminal;
        _line = line;
        _timer = new Timer(_ => Draw(), null, Delay, Period);
    }

    /// <summary>The bar for a fraction, as in <c>[#####     ]  50 %</c>.</summary>
    public static string Render(double fraction)
    {
        fraction = double.IsFinite(fraction) ? Math.Clamp(fraction, 0, 1) : 0;
        int filled = (int)(fraction * Width);
        return $"[{new string('#', filled)}{new string(' ', Width - filled)}] {(int)(fraction * 100),3} %";
    }

    /// <summary>Wipes the bar away.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_isOver) return;
            _isOver = true;
            _timer.Dispose();
            if (_isShown) _terminal.Write("\r\e[K");
        }
    }

    private void Draw()
    {
        lock (_lock)
        {
            if (_isOver) return;
            _isShown = true;
            _terminal.Write($"\r{_line()}\e[K");
        }
    }
}
