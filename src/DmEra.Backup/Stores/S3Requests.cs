using System.Net;
using System.Security.Cryptography;
using Amazon.Runtime;

namespace DmEra.Backup.Stores;

/// <summary>Requests to a server of S3: each is tried until it succeeds, fails for good, or has failed too often, with a limit to
/// every attempt.</summary>
/// <remarks>The library is asynchronous only; its calls are waited for on the thread of whoever asks.</remarks>
/// <param name="address">What the user calls the repository.</param>
/// <param name="client">Sends them.</param>
/// <param name="firstPauseMs">How long to wait before a request is tried again; longer each time.</param>
/// <param name="stop">Ends requests and the pauses between them.</param>
internal sealed class S3Requests(string address, S3Client client, int firstPauseMs, CancellationToken stop)
{
    private const int Attempts = 8;                     // with the pauses between them: about half a minute
    private const long SlowestBytesPerSecond = 8 << 10; // of one of several uploads that share a slow line

    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60);

    /// <summary>What may go wrong only today, whatever HTTP status comes with it.</summary>
    private static readonly HashSet<string> TransientCodes = new(StringComparer.OrdinalIgnoreCase)
    {
        "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted",
        "ConditionalRequestConflict", "Throttling", "ThrottlingException", "TooManyRequests", "BandwidthLimitExceeded",
    };

    /// <summary>How long a request may take that sends or fetches so much.</summary>
    public static TimeSpan LimitFor(long bytes) => AnswerLimit + TimeSpan.FromSeconds((double)bytes / SlowestBytesPerSecond);

    /// <summary>Runs a request until it succeeds.</summary>
    /// <param name="action">What it is, for people, as in "write".</param>
    /// <param name="name">What it is about.</param>
    /// <param name="permission">What a key must be allowed to do for it.</param>
    /// <param name="bytes">How much it sends or fetches.</param>
    /// <param name="argument">Given to <paramref name="request"/>.</param>
    /// <param name="request">The request; ends when its token is cancelled.</param>
    /// <exception cref="RepositoryException">It failed for good, or too often; has what the server said within.</exception>
    /// <exception cref="OperationCanceledException">It was told to stop.</exception>
    public TResult Persist<TArgument, TResult>(
        string action, string name, string permission, long bytes, TArgument argument, Func<TArgument, CancellationToken, TResult> request)
        where TArgument : allows ref struct
    {
        for (int attempt = 1; ; attempt++)
        {
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
            limit.CancelAfter(LimitFor(bytes));
            try
            {
                return request(argument, limit.Token);
            }
            catch (Exception fault) when (IsFault(fault) || limit.IsCancellationRequested)
            {
                // Whatever it was that the library threw when it was ended.
                stop.ThrowIfCancellationRequested();
                if (attempt == Attempts || !IsTransient(fault))
                {
                    string tried = attempt > 1 ? $" ({attempt} attempts)" : "";
                    string reason = limit.IsCancellationRequested ? $"{client.Host}: no answer within {LimitFor(bytes).TotalSeconds:F0} s" : Reason(fault, permission);
                    throw new RepositoryException($"{address}: cannot {action} {name}: {reason}{tried}", fault);
                }
            }

            int pauseMs = firstPauseMs << Math.Min(attempt - 1, 5);
            // Half of the pause is random, so that many clients do not come back at the same moment.
            stop.WaitHandle.WaitOne((pauseMs / 2) + RandomNumberGenerator.GetInt32((pauseMs / 2) + 1));
            stop.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The same, ended by another token.</summary>
    public S3Requests Until(CancellationToken otherStop) => new(address, client, firstPauseMs, otherStop);

    /// <summary>Whether the server knows the key, which has no permission.</summary>
    public static bool IsDenied(AmazonServiceException answer) =>
        answer is { StatusCode: HttpStatusCode.Forbidden, ErrorCode: "AccessDenied" or "Forbidden" };

    // Whether it is of servers and networks, not of this program.
    private static bool IsFault(Exception fault) =>
        fault is not RepositoryException
        && fault is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or TimeoutException
            or OperationCanceledException or ObjectDisposedException;

    // What the server said, if it said anything, else what happened on the way, and where.
    private string Reason(Exception fault, string permission)
    {
        if (fault is AmazonServiceException { StatusCode: not default(HttpStatusCode) } answer)
        {
            string words = answer.Message.TrimEnd('.');
            return IsDenied(answer) ? $"{words}; it takes a key that has {permission}" : words;
        }

        // Its own search ends without any that it names.
        if (fault.Message.Contains("credentials", StringComparison.OrdinalIgnoreCase))
            return "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";
        return $"{client.Host ?? "no server"}: {fault.GetBaseException().Message.TrimEnd('.')}";
    }

    private static bool IsTransient(Exception fault) => fault switch
    {
        // 0: no reply at all.
        AmazonServiceException answer => (answer.ErrorCode is string code && TransientCodes.Contains(code))
            || (int)answer.StatusCode is 0 or 500 or > 501
            || answer.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout,
        AmazonClientException library => library.InnerException is HttpRequestException or IOException,
        _ => true,
    };
}
