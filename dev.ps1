# The same verbs as ./dev, for Windows PowerShell: .\dev.ps1 demo
$here = Split-Path -Parent $MyInvocation.MyCommand.Path
foreach ($python in @("py -3", "python", "python3")) {
    $words = $python.Split(" ")
    $program, $first = $words[0], @($words | Select-Object -Skip 1)
    if (-not (Get-Command $program -ErrorAction SilentlyContinue)) { continue }
    & $program @first -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>$null
    if ($LASTEXITCODE -eq 0) {
        & $program @first (Join-Path $here "tools/dev.py") @args
        exit $LASTEXITCODE
    }
}
Write-Error "Hounsfield needs Python 3.11 or newer; install it and run this again."
exit 1
